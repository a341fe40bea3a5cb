package gateway

import (
	"context"
	"fmt"
	"net/http"
)

// Probe has the server answer GET /healthz, without a connection, and returns
// an error if it does not say that it is well. It returns late, or never, when
// the server is stuck.
func (s *Server) Probe(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/healthz", nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	answer := &refusal{header: http.Header{}}
	s.handler.ServeHTTP(answer, r)
	if answer.status != http.StatusOK {
		return fmt.Errorf("probe: /healthz answers with status %d", answer.status)
	}
	return nil
}
