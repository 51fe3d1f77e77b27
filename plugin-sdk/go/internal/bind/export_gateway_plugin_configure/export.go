// Package export_gateway_plugin_configure has what the bindings call for this phase.
package export_gateway_plugin_configure

import (
	"gateway.local/plugin/internal/hook"
	"gateway.local/plugin/internal/wit/types"
)

// Configure reads the configuration.
func Configure() types.Result[types.Unit, string] {
	defer hook.Done()
	if err := hook.Configure(); err != nil {
		return types.Err[types.Unit](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}
