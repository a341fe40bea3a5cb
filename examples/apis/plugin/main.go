// Command geo is a plugin: build it into the folder that the configuration
// names under apis.plugins, and functions can call geo.distance.
package main

import (
	"context"
	"math"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/plugin"
)

type place struct {
	Lat float64 `json:"lat" jsonschema:"degrees north"`
	Lon float64 `json:"lon" jsonschema:"degrees east"`
}

type journey struct {
	From place `json:"from"`
	To   place `json:"to"`
}

type length struct {
	Km float64 `json:"km"`
}

func distance(_ context.Context, _ *platform.Call, j journey) (length, error) {
	for _, p := range []place{j.From, j.To} {
		if math.Abs(p.Lat) > 90 || math.Abs(p.Lon) > 180 {
			return length{}, platform.Errorf("RangeError", "%v, %v is not on the globe", p.Lat, p.Lon)
		}
	}
	rad := math.Pi / 180
	a, b := j.From.Lat*rad, j.To.Lat*rad
	h := math.Pow(math.Sin((b-a)/2), 2) + math.Cos(a)*math.Cos(b)*math.Pow(math.Sin((j.To.Lon-j.From.Lon)*rad/2), 2)
	return length{Km: math.Round(2 * 6371 * math.Asin(math.Sqrt(h)))}, nil
}

func main() {
	plugin.Serve(platform.Typed("geo.distance", "geo.distance({from, to}): {km} between two places {lat, lon}", distance))
}
