package main

import (
	"runtime"

	"github.com/urfave/cli/v2"
)

func versionCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{
					"version": versionString(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			t.version()
			return nil
		},
	}
}

func (t *terminal) version() {
	t.printf("bulkhead supervisor %s (%s, %s/%s)", versionString(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
