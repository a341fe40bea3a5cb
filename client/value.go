package client

import (
	"context"
	"net/http"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/value"
)

const cborType = "application/cbor"

// InvokeValue is Invoke for any JavaScript value, without loss: event is what
// value.Encode takes, nil stands for null, and v is what value.Decode returns.
// The result has no Value, and no lines of log or process, and its receipt is
// the short one, without names of APIs: an answer in CBOR is the value alone.
func (c *Client) InvokeValue(ctx context.Context, tenant, function string, event any) (v any, r Result, err error) {
	body, err := encode(event)
	if err != nil {
		return nil, r, &outcome.Error{
			Outcome: outcome.Invalid, Tenant: tenant, Function: function, Detail: "the event cannot be sent", Err: err,
			Problems: []outcome.Problem{{Field: "event", Reason: err.Error()}},
		}
	}
	var a valueAnswer
	if r, err = c.invoke(ctx, tenant, function, request{media: cborType, body: body, accept: cborType}, &a); err != nil {
		return nil, r, err
	}
	return a.value, a.result, nil
}

func encode(event any) ([]byte, error) {
	wire, err := value.Encode(event)
	if err != nil {
		return nil, err
	}
	return value.ToCBOR(wire)
}

// valueAnswer is an answer in CBOR, with what its header says of it.
type valueAnswer struct {
	value  any
	result Result
}

func (a *valueAnswer) read(h http.Header, body []byte) error {
	wire, err := value.FromCBOR(body)
	if err != nil {
		return err
	}
	if a.value, err = value.Decode(wire); err != nil {
		return err
	}
	a.result.Receipt, err = readReceipt(h)
	return err
}
