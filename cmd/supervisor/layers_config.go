package main

import (
	"fmt"
	"log/slog"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// layersConfig says which layers of the lock-down are required, preferred or
// off, by name.
type layersConfig supervisor.LayerModes

func (c *layersConfig) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: layers is a list of names with a mode each: required, preferred or off", n.Line)
	}
	var modes supervisor.LayerModes
	if err := n.Decode(&modes); err != nil {
		return err
	}
	if err := modes.Validate(); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*c = layersConfig(modes)
	return nil
}

func (c layersConfig) modes() supervisor.LayerModes { return supervisor.LayerModes(c) }

// warnDegraded tells once, at the start, which layers the sandboxes run without.
func warnDegraded(layers []supervisor.Layer, logger *slog.Logger) {
	for _, l := range layers {
		switch {
		case l.Active:
		case l.Mode == "off":
			logger.Warn("a layer of the sandboxes' lock-down is off by configuration", "layer", l.Name)
		default:
			logger.Warn("a layer of the sandboxes' lock-down is missing; they run without it", "layer", l.Name, "reason", l.Detail, "remedy", supervisor.Remedy(l.Name))
		}
	}
}
