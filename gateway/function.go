package gateway

import (
	"time"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// function is a deployed function as the API shows it.
type function struct {
	Tenant      string    `json:"tenant"`
	Function    string    `json:"function"`
	Version     string    `json:"version" doc:"Names the code, the settings, the variables and the secrets it refers to, by their SHA-256. Empty when no version is live"`
	Shape       string    `json:"shape,omitempty" doc:"The form in which the code came"`
	Memory      int64     `json:"memory" doc:"Bytes"`
	Timeout     string    `json:"timeout" doc:"Wall time of an invocation, like 5s"`
	CPU         string    `json:"cpu,omitempty" doc:"CPU time of an invocation, like 50ms; without it, only the timeout holds"`
	Concurrency int       `json:"concurrency"`
	Isolation   string    `json:"isolation" enum:"fresh,warm"`
	Policy      string    `json:"policy,omitempty" doc:"Holds beside the tenant's: what either denies is denied"`
	Public      bool      `json:"public,omitempty" doc:"Anybody may call it over HTTP, without a token"`
	Size        int64     `json:"size" doc:"Bytes of code"`
	Deployed    time.Time `json:"deployed"`
}

func functionBody(f supervisor.Function) function {
	body := function{
		Tenant: f.Tenant, Function: f.Function, Version: f.Version, Shape: string(f.Shape),
		Memory: f.Memory, Timeout: time.Duration(f.Timeout).String(), Concurrency: f.Concurrency,
		Isolation: string(f.Isolation), Policy: f.Policy, Public: f.Public, Size: int64(f.Size), Deployed: f.Deployed,
	}
	if f.CPU != 0 {
		body.CPU = f.CPU.String()
	}
	return body
}

func applied(changed []supervisor.Function) appliedBody {
	body := appliedBody{Functions: []function{}}
	for _, f := range changed {
		body.Functions = append(body.Functions, functionBody(f))
	}
	return body
}
