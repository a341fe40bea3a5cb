package policies

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// Bounds of an expression: what may be written, and what one evaluation may cost.
const (
	maxExpression        = 4 << 10 // code points
	maxExpressionNodes   = 1000
	maxExpressionNesting = 32
	maxComprehensions    = 2   // nested in one another
	maxRegexp            = 500 // instructions of the compiled program
	// maxCost is in CEL's own units, about one for each step.
	maxCost = 20_000
	// maxArgs is how many bytes of arguments are decoded for an expression
	// that looks at them.
	maxArgs = 256 << 10
)

// celEnv is what every expression is compiled in.
var celEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("api", cel.StringType),
		cel.Variable("tenant", cel.StringType),
		cel.Variable("function_name", cel.StringType),
		cel.Variable("scheme", cel.StringType),
		cel.Variable("host", cel.StringType),
		cel.Variable("port", cel.IntType),
		cel.Variable("method", cel.StringType),
		cel.Variable("path", cel.StringType),
		cel.Variable("statement", cel.StringType),
		cel.Variable("tables", cel.ListType(cel.StringType)),
		cel.Variable("key", cel.StringType),
		cel.Variable("prefix", cel.BoolType),
		cel.Variable("size", cel.IntType),
		cel.Variable("name", cel.StringType),
		cel.Variable("args", cel.ListType(cel.DynType)),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxExpressionNesting),
		cel.ExpressionNodeLimit(maxExpressionNodes),
		// Not cel.RegexProgramSizeLimit, which panics for a{2} (v0.32.0).
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateComprehensionNestingLimit(maxComprehensions)),
	)
})

// expression is a compiled CEL expression.
type expression struct {
	source  string
	program cel.Program
}

// celIssue is one mistake in an expression; Line and Column, from 1, are
// counted within it, and 0 when the mistake has no place.
type celIssue struct {
	line, column int
	reason       string
}

func compileExpression(source string) (e *expression, issues []celIssue) {
	defer func() {
		if p := recover(); p != nil { // a bug of the compiler is no reason to stop
			e, issues = nil, []celIssue{{reason: fmt.Sprintf("it cannot be compiled: %v", p)}}
		}
	}()
	env, err := celEnv()
	if err != nil {
		return nil, []celIssue{{reason: err.Error()}}
	}
	tree, faults := env.Compile(source)
	if faults.Err() != nil {
		for _, e := range faults.Errors() {
			issues = append(issues, celIssue{line: e.Location.Line(), column: e.Location.Column() + 1, reason: strings.ReplaceAll(e.Message, " (in container '')", "")})
		}
		return nil, issues
	}
	if issues := checkPatterns(tree.NativeRep()); len(issues) > 0 {
		return nil, issues
	}
	if tree.OutputType() != cel.BoolType {
		return nil, []celIssue{{reason: fmt.Sprintf("it is of type %s; it must be true or false (compare a value of unknown type, as in args[0] == true)", tree.OutputType())}}
	}
	if cost, err := env.EstimateCost(tree, noEstimates{}); err == nil && cost.Min > maxCost {
		return nil, []celIssue{{reason: fmt.Sprintf("it costs at least %d steps; at most %d are allowed", cost.Min, maxCost)}}
	}
	program, err := env.Program(tree, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(callCosts{}), cel.CostLimit(maxCost))
	if err != nil {
		return nil, []celIssue{{reason: err.Error()}}
	}
	return &expression{source: source, program: program}, nil
}

// checkPatterns refuses regular expressions that are large, or that come from
// a call.
func checkPatterns(tree *ast.AST) (issues []celIssue) {
	for _, call := range ast.MatchDescendants(ast.NavigateAST(tree), ast.FunctionMatcher("matches")) {
		args := call.AsCall().Args()
		if len(args) == 0 {
			continue
		}
		arg := args[len(args)-1]
		at := tree.SourceInfo().GetStartLocation(arg.ID())
		issue := celIssue{line: at.Line(), column: at.Column() + 1}
		if arg.Kind() != ast.LiteralKind {
			issue.reason = "the pattern of matches must be written out"
		} else if pattern, ok := arg.AsLiteral().Value().(string); ok && regexpSize(pattern) > maxRegexp {
			issue.reason = "the regular expression is too large"
		}
		if issue.reason != "" {
			issues = append(issues, issue)
		}
	}
	return issues
}

// regexpSize is how many instructions a valid regular expression compiles to.
func regexpSize(pattern string) int {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0
	}
	return len(program.Inst)
}

// noEstimates leaves the estimate of an expression's cost to what it says itself.
type noEstimates struct{}

func (noEstimates) EstimateSize(checker.AstNode) *checker.SizeEstimate { return nil }
func (noEstimates) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// holds evaluates the expression. One that fails, that looks at what the call
// lacks or that costs too much holds for a rule that refuses only.
func (e *expression) holds(api string, a *Attributes, refuses bool) bool {
	held, err := e.evaluate(api, *a)
	if err != nil {
		return refuses
	}
	return held
}

// evaluate takes a copy of the attributes, so that only calls which need an
// expression pay for what CEL keeps on the heap.
func (e *expression) evaluate(api string, a Attributes) (bool, error) {
	v, _, err := e.program.Eval(&activation{api: api, a: a})
	if err != nil {
		return false, err
	}
	return v == types.True, nil
}

// activation gives an expression its variables.
type activation struct {
	api  string
	a    Attributes
	args []any
}

func (v *activation) Parent() cel.Activation { return nil }

// celFields are the conditions that stand for the variables of the same name.
var celFields = map[string]field{
	"scheme": schemeField, "host": hostField, "port": portField, "method": methodField, "path": pathField,
	"statement": statementField, "tables": tableField, "key": keyField, "size": sizeField, "name": nameField,
}

// ResolveName does not find what the call lacks, which is an error then.
func (v *activation) ResolveName(name string) (any, bool) {
	if f, ok := celFields[name]; ok && missing(f, &v.a) {
		return types.NewErr("the call has no %s", name), true
	}
	switch name {
	case "api":
		return v.api, true
	case "tenant":
		return v.a.Tenant, true
	case "function_name": // "function" is a reserved word of CEL
		return v.a.Function, true
	case "scheme":
		return v.a.Scheme, true
	case "host":
		return v.a.Host, true
	case "port":
		return v.a.Port, true
	case "method":
		return v.a.Method, true
	case "path":
		return v.a.Path, true
	case "statement":
		return v.a.Statement, true
	case "tables":
		return v.a.Tables, true
	case "key":
		return v.a.Key, true
	case "prefix":
		return v.a.Prefix, true
	case "size":
		return v.a.Size, true
	case "name":
		return v.a.Name, true
	case "args":
		if err := v.decodeArgs(); err != nil {
			return types.WrapErr(err), true
		}
		return v.args, true
	}
	return nil, false
}

func (v *activation) decodeArgs() error {
	if v.args != nil {
		return nil
	}
	total := 0
	for _, raw := range v.a.Args {
		total += len(raw)
	}
	if total > maxArgs {
		return errors.New("the arguments are too large for an expression")
	}
	args := make([]any, len(v.a.Args))
	for i, raw := range v.a.Args {
		if err := json.Unmarshal(raw, &args[i]); err != nil {
			return fmt.Errorf("argument %d is not JSON", i+1)
		}
	}
	v.args = args
	return nil
}
