package gateway_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

var (
	metricName = regexp.MustCompile(`\b(bulkhead|go|process)_\w+`)
	labelName  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	byLabels   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	tableRow   = regexp.MustCompile("(?m)^\\| `(bulkhead_\\w+)(?:\\{([^}]*)\\})?` \\| (\\w+) \\|")
	series     = regexp.MustCompile(`(?m)^((?:go|process)_\w+)`)
)

// known are the metrics that there are, with their labels.
func known(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, row := range tableRow.FindAllStringSubmatch(string(page), -1) {
		labels := append(strings.Split(row[2], ","), "job", "instance")
		if all[row[1]] = labels; row[3] == "histogram" {
			all[row[1]+"_bucket"] = append(labels, "le")
			all[row[1]+"_sum"], all[row[1]+"_count"] = labels, labels
		}
	}
	for _, name := range series.FindAllString(scrape(t, measured{newFake(), []supervisor.TenantTotals{acme}}), -1) {
		all[name] = []string{"job", "instance"}
	}
	return all
}

// checkQuery wants every metric in a query to exist, with the labels that the
// query uses, and its brackets to match.
func checkQuery(t *testing.T, where, query string, known map[string][]string) {
	t.Helper()
	var open []rune
	for _, r := range query {
		switch r {
		case '(', '[', '{':
			open = append(open, r)
		case ')', ']', '}':
			if len(open) == 0 || !strings.Contains("() [] {}", string(open[len(open)-1])+string(r)) {
				t.Errorf("%s: the brackets of %s do not match", where, query)
				return
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: a bracket of %s is not closed", where, query)
	}
	names := metricName.FindAllString(query, -1)
	var labels []string
	for _, name := range names {
		if known[name] == nil {
			t.Errorf("%s: there is no metric %s", where, name)
		}
		labels = append(labels, known[name]...)
	}
	if len(names) == 0 && !strings.HasPrefix(query, "up{") {
		t.Errorf("%s: %q asks for no metric", where, query)
	}
	used := labelName.FindAllStringSubmatch(query, -1)
	for _, by := range byLabels.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(by[1], ",") {
			used = append(used, []string{"", strings.TrimSpace(label)})
		}
	}
	for _, label := range used {
		if len(names) > 0 && !slices.Contains(labels, label[1]) {
			t.Errorf("%s: none of %v has the label %s", where, names, label[1])
		}
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../deploy/grafana/bulkhead.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Definition string }
		}
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil || board.UID == "" || board.Title == "" || board.SchemaVersion < 38 {
		t.Fatalf("%+v, %v", board, err)
	}
	known := known(t)
	for _, v := range board.Templating.List {
		if v.Definition != "" {
			checkQuery(t, "variable "+v.Name, v.Definition, known)
		}
	}
	ids, asked := make(map[int]bool), make(map[string]bool)
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: its id %d is taken, or it does not fit the page", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			checkQuery(t, "panel "+p.Title, target.Expr, known)
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				asked[name] = true
			}
		}
	}
	if len(asked) < 30 {
		t.Errorf("the dashboard shows %d metrics", len(asked))
	}
}

func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("../deploy/prometheus/bulkhead.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for _, h := range heading.FindAllStringSubmatch(string(page), -1) {
		anchor := strings.ReplaceAll(strings.ToLower(h[1]), " ", "-")
		sections["docs/observability.md#"+strings.NewReplacer("'", "", ",", "").Replace(anchor)] = true
	}
	known := known(t)
	for _, r := range file.Groups[0].Rules {
		checkQuery(t, r.Alert, r.Expr, known)
		if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || !sections[r.Annotations["runbook"]] {
			t.Errorf("%s: %+v %+v", r.Alert, r.Labels, r.Annotations)
		}
	}
	if len(file.Groups[0].Rules) < 8 {
		t.Errorf("%d rules", len(file.Groups[0].Rules))
	}
}
