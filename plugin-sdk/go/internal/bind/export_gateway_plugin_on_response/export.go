// Package export_gateway_plugin_on_response has what the bindings call for this phase.
package export_gateway_plugin_on_response

import (
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	"gateway.local/plugin/internal/hook"
)

// OnResponse is the phase.
func OnResponse() gateway_plugin_types.Flow {
	defer hook.Done()
	return hook.OnResponse()
}
