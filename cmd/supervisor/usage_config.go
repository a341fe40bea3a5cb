package main

// usageConfig configures the ledger of what functions used.
type usageConfig struct {
	Keep duration `yaml:"keep"`
}
