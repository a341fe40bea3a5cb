package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// cgroupOff, as the parent, is for no control groups at all.
const cgroupOff = "off"

// cgroupConfig says where control groups for sandboxes and databases are made.
type cgroupConfig struct {
	Parent string `yaml:"parent"` // a path, "auto" or "off"; "" is "auto"
}

// open takes the control groups over. missing is empty when the layer is
// active, and says what is not there otherwise. With "auto" that is no error;
// groups is nil then, if there is nothing to use at all. The caller closes it.
func (c cgroupConfig) open() (groups *supervisor.Cgroups, missing string, err error) {
	parent := c.Parent
	switch {
	case parent == "":
		parent = cgroup.Auto
	case parent == cgroupOff:
		return nil, "switched off in the configuration", nil
	case parent != cgroup.Auto && !filepath.IsAbs(parent):
		return nil, "", &outcome.Error{Outcome: outcome.Invalid, Detail: fmt.Sprintf("cgroup.parent: %q is neither a path nor auto nor off", parent)}
	}
	groups, err = supervisor.OpenCgroups(parent)
	switch {
	case errors.Is(err, cgroup.ErrUnavailable):
		return nil, err.Error(), nil
	case err != nil:
		return nil, "", &outcome.Error{
			Outcome: outcome.Invalid, Detail: "cannot use control groups: " + err.Error(), Err: err,
			Remedy: "name a directory of cgroup v2 that is the supervisor's alone as cgroup.parent in the configuration, or say off",
		}
	case len(groups.Missing()) > 0:
		missing = fmt.Sprintf("%s does not have the controllers %s", groups.Path(), strings.Join(groups.Missing(), ", "))
	}
	return groups, missing, nil
}

// openCgroups is open for serve, which says what there is.
func openCgroups(c config, logger *slog.Logger) (*supervisor.Cgroups, error) {
	groups, missing, err := c.Cgroup.open()
	if err != nil {
		return nil, err
	}
	if missing != "" {
		level := slog.LevelWarn
		if groups == nil && c.Cgroup.Parent != cgroup.Auto { // nobody has asked for them
			level = slog.LevelInfo
		}
		logger.Log(context.Background(), level, "control groups do not hold the sandboxes to all of their limits; the supervisor watches their memory and CPU time itself", slog.String("reason", missing))
	}
	if groups != nil {
		logger.Info("each sandbox gets a control group of its own", slog.String("parent", groups.Path()))
	}
	return groups, nil
}

// closeCgroups is for a defer: there may be none.
func closeCgroups(groups *supervisor.Cgroups) error {
	if groups == nil {
		return nil
	}
	return groups.Close()
}
