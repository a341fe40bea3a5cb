package main

import "github.com/bulkhead-run/bulkhead/supervisor"

type versionsConfig struct {
	Keep int `yaml:"keep"`
}

// apply sets how many versions the tiers keep that do not say so themselves.
func (v versionsConfig) apply(tiers map[string]supervisor.Tier) {
	if v.Keep == 0 {
		return
	}
	if _, given := tiers[supervisor.DefaultTier]; !given { // it exists in any case
		tiers[supervisor.DefaultTier] = supervisor.Tier{}
	}
	for name, t := range tiers {
		if t.KeepVersions == 0 {
			t.KeepVersions = v.Keep
			tiers[name] = t
		}
	}
}

// environment tells the supervisor what functions are configured with.
type environment struct{ data *tenantData }

func (e environment) Vars(tenant, function string) (map[string]string, error) {
	return e.data.env.Vars(tenant, function)
}

func (e environment) Secrets(tenant string) ([]string, error) {
	list, err := e.data.secrets.List(tenant)
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Name
	}
	return names, err
}
