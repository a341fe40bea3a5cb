package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/sandbox/prelude"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
	"github.com/bulkhead-run/bulkhead/sandbox/webapi"
)

// What the Web-standard APIs ask of Go (see lazy.js), at top level as well.
const (
	opWebAPI   = 32 // a function of package webapi, by name
	opPart     = 33 // a lazy part of the prelude, by number
	opPlainURL = 34 // whether a text is an ipc.PlainURL
	opQueryGet = 35 // webapi.QueryGet of two texts
	opHeader   = 36 // whether a name and a value are a webapi.PlainHeader
	opURLPart  = 37 // webapi.PlainURLPart
)

const (
	maxWebArg   = 1 << 30 // bytes of one argument: no instance holds more
	maxPlainURL = 8 << 10 // and of a header
	maxWebArgs  = 10      // what web in lazy.js passes; argc itself may be anything
)

// webAPI serves them. A failure that JavaScript is to be told is
// the array [name, message]; no result is an array.
func webAPI(i *quickjs.Instance, a quickjs.Args, random io.Reader) quickjs.Value {
	switch a.Int(0) {
	case opPart:
		return part(i, int(a.Int(1)))
	case opPlainURL:
		text, _, ok := a.Text(1, maxPlainURL)
		return quickjs.Bool(ok && ipc.PlainURL(string(text)))
	case opQueryGet:
		query, _, _ := a.Text(1, maxWebArg)
		name, _, _ := a.Text(2, maxWebArg)
		value, ok := webapi.QueryGet(string(query), string(name))
		if !ok {
			return quickjs.Undefined
		}
		return newString(i, []byte(value))
	case opURLPart:
		url, _, _ := a.Text(1, maxWebArg)
		return newString(i, webapi.PlainURLPart(url, int(a.Int(2))))
	case opHeader:
		name, _, ok := a.Text(1, maxPlainURL)
		value, _, fits := a.Text(2, maxPlainURL)
		return quickjs.Bool(ok && fits && webapi.PlainHeader(name, value))
	case opWebAPI:
		name, _, _ := a.Text(1, 64)
		args := webapi.Args{Expired: i.Expired, Random: random}
		for n := 2; n < min(a.Len(), maxWebArgs); n++ {
			args.Values = append(args.Values, webArg(a, n))
		}
		result, err := webapi.Call(string(name), args)
		return webResult(i, result, err)
	}
	return quickjs.Undefined
}

func webArg(a quickjs.Args, n int) any {
	switch v := a.At(n); {
	case v.IsObject():
		if data, _, ok := a.Bytes(n, maxWebArg); ok {
			return data
		}
	case v.IsInt():
		return int(a.Int(n))
	default:
		if text, _, ok := a.Text(n, maxWebArg); ok {
			return webapi.WellFormed(text)
		}
	}
	return nil
}

// newString makes what a host function returns of a text.
func newString(i *quickjs.Instance, text []byte) quickjs.Value {
	v, err := i.NewString(text)
	if err != nil {
		return raise(i, err)
	}
	return v
}

func webResult(i *quickjs.Instance, result any, err error) quickjs.Value {
	var failed *webapi.Error
	switch {
	case errors.Is(err, webapi.ErrExpired):
		i.Stop()
	case errors.As(err, &failed):
		result = [2]string{failed.Name, failed.Message}
	case err != nil:
		result = [2]string{"OperationError", "the operation failed"}
	}
	var v quickjs.Value
	switch r := result.(type) {
	case nil:
		return quickjs.Undefined
	case bool:
		return quickjs.Bool(r)
	case int:
		return quickjs.Float(float64(r))
	case []byte:
		v, err = i.NewArrayBuffer(r)
	default:
		text, fault := json.Marshal(r)
		if fault != nil {
			i.Abort(fmt.Errorf("sandbox: a result of webapi: %w", fault))
		}
		v, err = i.ParseJSON(text)
	}
	if err != nil {
		return raise(i, err)
	}
	return v
}

// lazyCode is the bytecode of the prelude's lazy parts, compiled when first
// needed: it is the same for all instances.
var lazyCode struct {
	sync.Mutex
	parts map[int][]byte
}

func compilePart(e *quickjs.Engine, n int) ([]byte, error) {
	lazyCode.Lock()
	defer lazyCode.Unlock()
	if code := lazyCode.parts[n]; code != nil {
		return code, nil
	}
	i, err := e.NewInstance(baseMemory, baseStack)
	if err != nil {
		return nil, err
	}
	defer i.Close()
	code, err := i.Bytecode(prelude.LazySource(n), prelude.File)
	if err != nil {
		return nil, err
	}
	if lazyCode.parts == nil {
		lazyCode.parts = make(map[int][]byte)
	}
	lazyCode.parts[n] = code
	return code, nil
}

// part returns the function that is lazy part n.
func part(i *quickjs.Instance, n int) quickjs.Value {
	if n < 0 || n >= prelude.Lazy() {
		return quickjs.Undefined
	}
	code, err := compilePart(i.Engine(), n)
	if err != nil {
		i.Abort(fmt.Errorf("sandbox: compiling part %d of the prelude: %w", n, err))
	}
	v, err := i.LoadBytecode(code)
	if err != nil {
		return raise(i, err)
	}
	return v
}

// preload loads the lazy parts that source seems to use, for the snapshot.
func preload(i *quickjs.Instance, source string) error {
	for _, name := range prelude.Named(source) {
		v, err := i.Eval("void "+name, prelude.File, quickjs.EvalScript)
		if err != nil {
			return err
		}
		if err := i.Free(v); err != nil {
			return err
		}
	}
	return nil
}
