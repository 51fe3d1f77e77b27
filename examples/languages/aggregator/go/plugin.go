// Command aggregator answers with several services in one.
package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	gateway "gateway.local/plugin"
)

var parts map[string]string

func init() {
	gateway.Register(gateway.Plugin{Configure: configure, Handle: handle})
}

func main() {}

func configure(config gateway.Config) error {
	written := struct{ Parts map[string]string }{}
	err := config.Decode(&written)
	parts = written.Parts
	return err
}

func handle(body []byte) (gateway.Answer, error) {
	path := gateway.Request.Path()
	names := slices.Sorted(maps.Keys(parts))
	calls := make([]gateway.Call, len(names))
	for at, name := range names {
		calls[at] = gateway.Get(strings.ReplaceAll(parts[name], "{path}", path))
	}
	var missing []string
	members := make([][]byte, len(names))
	for at, result := range gateway.FetchAll(calls) {
		value := []byte("null")
		if result.Err == nil && result.Answer.OK() {
			value = result.Answer.Body
		} else {
			missing = append(missing, names[at])
		}
		members[at] = append([]byte(`"`+names[at]+`":`), value...)
	}
	answer := gateway.Answer{Status: 200, Body: slices.Concat([]byte("{"), bytes.Join(members, []byte(",")), []byte("}"))}
	answer = answer.With("content-type", "application/json")
	if len(missing) > 0 {
		answer = answer.With("x-degraded", strings.Join(missing, ", "))
	}
	return answer, nil
}
