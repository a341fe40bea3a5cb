package main

import (
	"errors"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform/secrets"
)

// The rest of tenantData is gateway.Settings.
var _ gateway.Settings = (*tenantData)(nil)

func (d *tenantData) PutSecret(tenant string, s gateway.Secret, value string) error {
	err := d.secrets.Set(tenant, secrets.Info{Name: s.Name, Hosts: s.Hosts, Reveal: s.Reveal}, secrets.NewSecret(value))
	return settingsError(err, "the secret was refused; nothing has changed", "secret")
}

func (d *tenantData) Secrets(tenant string) ([]gateway.Secret, error) {
	infos, err := d.secrets.List(tenant)
	list := []gateway.Secret{}
	for _, i := range infos {
		list = append(list, gateway.Secret{Name: i.Name, Hosts: i.Hosts, Reveal: i.Reveal, Updated: i.Updated})
	}
	return list, settingsError(err, "the secrets cannot be listed", "tenant")
}

func (d *tenantData) DeleteSecret(tenant, name string) error {
	return settingsError(d.secrets.Delete(tenant, name), "the secret cannot be deleted", "secret")
}

func (d *tenantData) Vars(tenant, function string) (map[string]string, error) {
	vars, err := d.env.Own(tenant, function)
	return vars, settingsError(err, "the variables cannot be read", "function")
}

func (d *tenantData) PutVars(tenant, function string, vars map[string]string) error {
	return settingsError(d.env.Set(tenant, function, vars), "the variables were refused; nothing has changed", "env")
}

// settingsError tells what a caller may know of an error.
func settingsError(err error, what, field string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return &outcome.Error{Outcome: outcome.NotFound, Detail: err.Error(), Err: err}
	case errors.Is(err, store.ErrInvalid):
		return &outcome.Error{Outcome: outcome.Invalid, Detail: what, Err: err, Problems: []outcome.Problem{{Field: field, Reason: err.Error()}}}
	case errors.Is(err, secrets.ErrNoKey):
		return &outcome.Error{
			Outcome: outcome.Invalid, Detail: what + ": there is no key to encrypt it with", Err: err,
			Remedy: "make one with: openssl rand -base64 32; name its file as secrets.key_file in the configuration, or give it as the systemd credential " + secrets.CredentialName,
		}
	}
	return &outcome.Error{Outcome: outcome.Internal, Detail: what, Err: err}
}
