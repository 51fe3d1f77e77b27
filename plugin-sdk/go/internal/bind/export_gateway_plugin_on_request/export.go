// Package export_gateway_plugin_on_request has what the bindings call for this phase.
package export_gateway_plugin_on_request

import (
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	"gateway.local/plugin/internal/hook"
)

// OnRequest is the phase.
func OnRequest() gateway_plugin_types.Flow {
	defer hook.Done()
	return hook.OnRequest()
}
