// Package policies says which platform APIs a tenant's functions may call.
//
// A policy is a YAML document:
//
//	version: 1
//	name: webhook                # [a-z0-9][a-z0-9-]{0,62}
//	description: one line        # optional
//	extends: [compute]           # presets or other policies; optional
//	default: deny                # deny (the default) or allow
//	rules:
//	  - api: [log, "kv.*"]       # one name or a list
//	    action: allow            # allow or deny
//	  - api: fetch
//	    action: allow
//	    when:                    # every condition must hold; of a list, any entry
//	      scheme: [https]
//	      host: [api.example.com, "*.example.org"]
//	      port: [443]
//	      method: [GET, POST]
//	    private: true            # fetch may reach loopback, private and link-local addresses
//
// In an API's name "*" stands for one whole segment, so "kv.*" is kv.get but
// not kv.a.b; "*" alone is every API. In a host "*." stands for one or more
// labels, so "*.example.org" is a.example.org and a.b.example.org but not
// example.org; "*" alone is every host. A condition does not hold for a call
// that lacks the attribute.
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
// # Where it runs
//
// The supervisor evaluates every host call against its tenant's policy, and
// that verdict is the boundary. A sandbox may evaluate the same policy to make
// a denial fast, but what it concludes protects nobody. The package trusts the
// operator who writes the policies only as far as their size: a document has
// bounds and every mistake in it is reported at once, with its place. It does
// no I/O, and a Policy never changes once it is made.
package policies
