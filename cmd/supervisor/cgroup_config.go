package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// cgroupConfig says where control groups for sandboxes and databases are made.
type cgroupConfig struct {
	Parent string `yaml:"parent"` // a path or "auto"; "" is "auto"
}

// parent is the path, or cgroup.Auto.
func (c cgroupConfig) parent() (string, error) {
	if c.Parent == "" || c.Parent == cgroup.Auto {
		return cgroup.Auto, nil
	}
	if !filepath.IsAbs(c.Parent) {
		return "", &outcome.Error{
			Outcome: outcome.Invalid, Detail: fmt.Sprintf("cgroup.parent: %q is neither a path nor auto", c.Parent),
			Remedy: "name a directory of cgroup v2 that is the supervisor's alone; `layers: {cgroup: off}` is for none",
		}
	}
	return c.Parent, nil
}

// openCgroups takes the control groups over. There are none, and why says so,
// if the layer is off, or where nothing is found with "auto": whether that will do is
// the layer's mode to say. The caller closes them with closeCgroups.
func openCgroups(c config, logger *slog.Logger) (groups *supervisor.Cgroups, why string, err error) {
	parent, err := c.Cgroup.parent()
	if err != nil || c.Layers.modes().For(confine.Cgroup) == confine.Off {
		return nil, "", err
	}
	groups, err = supervisor.OpenCgroups(parent)
	switch {
	case errors.Is(err, cgroup.ErrUnavailable):
		return nil, err.Error(), nil
	case err != nil:
		return nil, "", &outcome.Error{
			Outcome: outcome.Invalid, Detail: "cannot use control groups: " + err.Error(), Err: err,
			Remedy: "name a directory of cgroup v2 that is the supervisor's alone as cgroup.parent in the configuration, or set layers.cgroup to off",
		}
	}
	logger.Info("each sandbox gets a control group of its own", slog.String("parent", groups.Path()))
	return groups, "", nil
}

// lookForCgroups says what openCgroups would lack, and changes nothing.
func lookForCgroups(c config) (missing string, err error) {
	parent, err := c.Cgroup.parent()
	if err != nil {
		return "", err
	}
	lacks, err := cgroup.Look(parent)
	switch {
	case err != nil:
		return err.Error(), nil
	case len(lacks) > 0:
		return "without the controllers " + strings.Join(lacks, ", "), nil
	}
	return "", nil
}

// closeCgroups is for a defer: there may be none.
func closeCgroups(groups *supervisor.Cgroups) error {
	if groups == nil {
		return nil
	}
	return groups.Close()
}
