package main

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// ownConfig is the configuration's apis: what the operator adds.
type ownConfig struct {
	// Plugins is a folder, relative to the configuration file.
	Plugins located          `yaml:"plugins"`
	HTTP    []endpointConfig `yaml:"http"`
}

type endpointConfig struct {
	Name    located           `yaml:"name"`
	Doc     string            `yaml:"doc"`
	URL     string            `yaml:"url"`
	Method  string            `yaml:"method"`
	Headers map[string]string `yaml:"headers"`
	// HeadersFrom maps a header to the file that holds its value.
	HeadersFrom   map[string]string `yaml:"headers_from"`
	Timeout       duration          `yaml:"timeout"`
	MaxResponse   size              `yaml:"max_response"`
	MaxConcurrent int               `yaml:"max_concurrent"`
	Idempotent    bool              `yaml:"idempotent"`
	Arguments     schemaConfig      `yaml:"arguments"`
	Result        schemaConfig      `yaml:"result"`
}

// located is a text that knows the line it stands in.
type located struct {
	text string
	line int
}

func (l *located) UnmarshalYAML(n *yaml.Node) error {
	if err := n.Decode(&l.text); err != nil {
		return fmt.Errorf("line %d: it must be text", n.Line)
	}
	l.line = n.Line
	return nil
}

// schemaConfig is a JSON Schema: as it is, or the name of a file that holds it.
type schemaConfig struct {
	inline json.RawMessage
	file   string
}

func (s *schemaConfig) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value != "" {
		s.file = n.Value
		return nil
	}
	var v map[string]any
	if err := n.Decode(&v); err != nil || v == nil {
		return fmt.Errorf("line %d: a schema is a mapping, or the name of a file", n.Line)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("line %d: the schema has no JSON form", n.Line)
	}
	s.inline = text
	return nil
}
