// Command crm is an HTTP endpoint as ../bulkhead.yaml describes it to the
// supervisor. Any language will do: it reads one JSON document and answers one.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
)

// call is what the supervisor sends.
type call struct {
	Tenant, Function, Invocation string
	Args                         []struct{ Email string }
}

// customers are each tenant's own.
var customers = map[string]map[string]any{
	"acme":  {"ada@example.com": map[string]any{"name": "Ada", "plan": "pro"}},
	"other": {"bob@example.com": map[string]any{"name": "Bob", "plan": "free"}},
}

func lookup(w http.ResponseWriter, r *http.Request) {
	var c call
	w.Header().Set("Content-Type", "application/json")
	switch err := json.NewDecoder(r.Body).Decode(&c); {
	case r.Header.Get("Authorization") != "Bearer example-token":
		w.WriteHeader(http.StatusUnauthorized)
	case err != nil || len(c.Args) != 1:
		w.WriteHeader(http.StatusBadRequest)
	default:
		customer, found := customers[c.Tenant][c.Args[0].Email]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			customer = map[string]any{"error": map[string]string{"name": "NotFoundError", "message": "no such customer"}}
		}
		_ = json.NewEncoder(w).Encode(customer)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "where to listen")
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	http.HandleFunc("POST /lookup", lookup)
	log.Fatal(http.Serve(ln, nil))
}
