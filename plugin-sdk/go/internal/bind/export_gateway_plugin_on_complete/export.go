// Package export_gateway_plugin_on_complete has what the bindings call for this phase.
package export_gateway_plugin_on_complete

import (
	"gateway.local/plugin/internal/bind/gateway_plugin_on_complete"
	"gateway.local/plugin/internal/hook"
)

// OnComplete is the phase.
func OnComplete(summary gateway_plugin_on_complete.Summary) {
	defer hook.Done()
	hook.OnComplete(summary)
}
