package plugins_test

import "testing"

func BenchmarkCall(b *testing.B) {
	apis, _ := open(b, folder(b, ""))
	echo := apis["test.echo"]
	for b.Loop() {
		if got, err := call(b.Context(), echo, `[{"a":1}]`); err != nil || got != `{"a":1}` {
			b.Fatal(got, err)
		}
	}
}
