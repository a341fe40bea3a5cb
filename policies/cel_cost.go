package policies

import "cel.dev/cel-go/common/types/ref"

// callCosts charges an expression for what its calls look at. CEL's own prices
// hold for types that are known when it is compiled, and take a list for as
// long as its first level: comparing two large arguments would cost 1.
type callCosts struct{}

// CallCost is 1, and 1 for each element and for each 10 bytes of the
// arguments; for a regular expression that many times a quarter of its length.
func (callCosts) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	left := 10 * maxCost
	for _, a := range args {
		spend(&left, a)
	}
	cost := uint64(10*maxCost-left)/10 + 1
	if function == "matches" && len(args) == 2 {
		if pattern, ok := args[1].Value().(string); ok {
			cost *= uint64(len(pattern)/4 + 1)
		}
	}
	return &cost
}

// spend takes the size of a value from left, until nothing is left.
func spend(left *int, value any) {
	if *left <= 0 {
		return
	}
	switch v := value.(type) {
	case string:
		*left -= len(v)
	case []byte:
		*left -= len(v)
	case []any:
		spendList(left, v)
	case []string:
		spendList(left, v)
	case []ref.Val:
		spendList(left, v)
	case map[string]any:
		spendMap(left, v)
	case map[ref.Val]ref.Val:
		spendMap(left, v)
	case ref.Val:
		if inner := v.Value(); inner != nil {
			if _, same := inner.(ref.Val); !same {
				spend(left, inner)
			}
		}
	}
}

func spendList[T any](left *int, list []T) {
	for _, e := range list {
		if *left -= 10; *left <= 0 {
			return
		}
		spend(left, e)
	}
}

func spendMap[K comparable, T any](left *int, m map[K]T) {
	for k, e := range m {
		if *left -= 10; *left <= 0 {
			return
		}
		spend(left, k)
		spend(left, e)
	}
}
