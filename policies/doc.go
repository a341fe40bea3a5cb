// Package policies says which platform APIs a tenant's functions may call.
//
// A policy is a YAML document, shaped after OCI's seccomp profiles: a default
// action, and rules that name APIs, an action and conditions.
//
//	version: 1
//	name: webhook                # [a-z0-9][a-z0-9-]{0,62}
//	description: one line        # optional
//	extends: [compute]           # presets or other policies; optional
//	default: deny                # deny (the default), allow, audit or kill
//	rules:
//	  - api: [log, "kv.*"]       # one name or a list
//	    action: allow            # allow, deny, audit or kill
//	  - api: fetch
//	    action: audit
//	    when:                    # every condition must hold; of a list, any entry
//	      scheme: [https]
//	      host: [api.example.com, "*.example.org"]
//	      port: [443]
//	      method: [GET, POST]
//	      path: /v1              # and all below it
//	    cel: size(args) < 3      # and this expression, if given
//	    private: true            # fetch may reach loopback, private and link-local addresses
//	    max_response: 5MiB
//	    quota: {calls_per_invocation: 10, calls_per_second: 5, burst: 20, bytes_per_minute: 50MiB}
//	    redact: ["args[1].headers.authorization"]
//	    comment: The billing team's reports.
//
// Parse reads one and tells every mistake with its place; Schema is the form
// as a JSON Schema, for editors. A document has at most 64 KiB, a list 1000
// entries, a policy 256 rules with those that it extends, and 1024 names of
// APIs. Sizes are bytes or have a unit (B, KiB, MiB, GiB, TiB).
//
// # Actions
//
// Allow lets a call through, and Audit does so and has it recorded. Deny
// refuses it: it throws a PermissionError. Kill ends the invocation.
//
// # Names of APIs
//
// "*" stands for one whole segment, so "kv.*" is kv.get but not kv.a.b; "*"
// alone is every API.
//
// # Order
//
// The policy's own rules are tried in the order they are written, then those
// of each policy it extends, in the order of the list; the first rule whose
// api and conditions match decides. When none does, the default of the policy
// itself decides: the defaults of the policies it extends do not count. So a
// deny rule without conditions beats every allow rule below it, and every
// rule of an extended policy.
//
// # Conditions
//
// When in doubt a call is refused. What a call lacks (an API that has no host,
// a size not known beforehand) never makes a rule hold that allows or audits,
// and never keeps one from holding that denies or kills. A condition also
// means something else in a rule that refuses where it could be avoided
// otherwise:
//
//	condition  entries                        allow and audit hold when        deny and kill hold when
//	scheme     http, https                    equal                            equal or missing
//	host       name, address, *.name, *       equal, or below the name         the same, or missing
//	port       1 to 65535                     equal                            equal or missing
//	method     GET, HEAD, POST, PUT, PATCH,   equal                            equal or missing
//	           DELETE, OPTIONS
//	path       begins with /                  below it both as it stands and   below it in either reading,
//	                                          as a lenient server reads it     or missing
//	statement  select, insert, update,        equal                            equal or missing
//	           delete, create, alter, drop,
//	           pragma, other
//	table      name, name*                    all tables are in the list,      any table is in the list,
//	                                          and there is one                 or nobody knows the tables
//	key        prefix                         the key begins with it           the key begins with it, or a
//	                                                                           list would show one that does,
//	                                                                           or missing
//	size       64KiB: at most; "> 64KiB":     known, and within the bound      over the bound, or not known
//	           more than (deny and kill take
//	           the latter only)
//	name       name, name*                    equal, or begins with it         the same, or missing
//	cel        expression                     true                             true, or it fails
//
// "*.example.org" is a.example.org and a.b.example.org but not example.org. A
// lenient server decodes a path until nothing is left to decode, takes
// backslashes for slashes, drops parameters, and resolves dot segments.
//
// # Expressions
//
// An expression is CEL (https://cel.dev) and must be of type bool. Its
// variables are api, tenant, function_name, scheme, host, port, method, path,
// statement, tables, key, prefix, size, name and args, the list of the call's
// arguments as JSON has them. A variable that the call lacks makes the
// expression fail, unless what remains decides alone (true || x). It fails,
// too, when it costs more than 20,000 steps or looks at more than 256 KiB of
// arguments. One that is too long, too deep, nests more than two loops, or has
// a regular expression that is large or comes from a call is refused by Parse.
//
// # Levels
//
// Narrow puts a policy inside another: a tenant's can only narrow its tier's,
// and a function's its tenant's. The stricter verdict counts; quotas of both
// are charged, the smaller max_response counts, and private addresses are
// within reach only if both say so.
//
// # Where it runs
//
// The supervisor evaluates every host call against its tenant's policy, and
// that verdict is the boundary. A sandbox may evaluate the same policy to make
// a denial fast, but what it concludes protects nobody. The package trusts the
// operator who writes the policies only as far as their size: a document has
// bounds and every mistake in it is reported at once, with its place. It
// trusts nothing in a call's attributes and arguments. It does no I/O, and a
// Policy never changes once it is made.
//
// Around Evaluate are Explain, which tells how a verdict came about, Run with
// the cases of ParseCases, Diff, Learn, and Lint for what cannot be meant.
package policies
