// Package export_gateway_plugin_handle has what the bindings call for this phase.
package export_gateway_plugin_handle

import (
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	"gateway.local/plugin/internal/hook"
)

// Handle is the phase.
func Handle(body []byte) gateway_plugin_types.Response {
	defer hook.Done()
	return hook.Handle(body)
}
