package gateway

import (
	"fmt"
	"time"

	"gateway.local/plugin/internal/bind/gateway_plugin_clock"
	"gateway.local/plugin/internal/bind/gateway_plugin_http"
	"gateway.local/plugin/internal/bind/gateway_plugin_kv"
	"gateway.local/plugin/internal/bind/gateway_plugin_log"
	"gateway.local/plugin/internal/bind/gateway_plugin_metrics"
	"gateway.local/plugin/internal/bind/gateway_plugin_random"
	"gateway.local/plugin/internal/bind/gateway_plugin_secrets"
	"gateway.local/plugin/internal/wit/types"
)

// Debug logs, as fmt.Sprintf has it.
func Debug(format string, values ...any) {
	gateway_plugin_log.Log(gateway_plugin_log.LevelDebug, fmt.Sprintf(format, values...))
}

// Info logs.
func Info(format string, values ...any) {
	gateway_plugin_log.Log(gateway_plugin_log.LevelInfo, fmt.Sprintf(format, values...))
}

// Warn logs.
func Warn(format string, values ...any) {
	gateway_plugin_log.Log(gateway_plugin_log.LevelWarn, fmt.Sprintf(format, values...))
}

// Error logs.
func Error(format string, values ...any) {
	gateway_plugin_log.Log(gateway_plugin_log.LevelError, fmt.Sprintf(format, values...))
}

// Now is the time; it may step.
func Now() time.Time { return time.Unix(0, int64(gateway_plugin_clock.Now())) }

// Monotonic is the time since some moment; it never goes back.
func Monotonic() time.Duration { return time.Duration(gateway_plugin_clock.Monotonic()) }

// Random are bytes from the operating system, good for keys and tokens.
func Random(length uint32) []byte { return gateway_plugin_random.Bytes(length) }

// Count adds to a counter.
func Count(name string, by uint64) { gateway_plugin_metrics.Count(name, by) }

// Gauge sets a value.
func Gauge(name string, value float64) { gateway_plugin_metrics.Gauge(name, value) }

// Observe adds to a distribution.
func Observe(name string, value float64) { gateway_plugin_metrics.Observe(name, value) }

type kvOf struct{}

// KV outlives instances: a store of this plugin alone, in memory or where the configuration says. A time to live of 0 is none.
var KV kvOf

func (kvOf) Get(key string) (found []byte, there bool, err error) {
	kept, err := value(gateway_plugin_kv.Get(key))
	if err != nil {
		return nil, false, err
	}
	found, there = option(kept)
	return found, there, nil
}

func (kvOf) Set(key string, value []byte, ttl time.Duration) error {
	return done(gateway_plugin_kv.Set(key, value, milliseconds(ttl)))
}

func (kvOf) Delete(key string) error { return done(gateway_plugin_kv.Delete(key)) }

// Increment adds to a number and gives the sum; the time to live counts from the first.
func (kvOf) Increment(key string, by int64, ttl time.Duration) (int64, error) {
	return value(gateway_plugin_kv.Increment(key, by, milliseconds(ttl)))
}

func milliseconds(ttl time.Duration) types.Option[uint64] {
	if ttl <= 0 {
		return types.None[uint64]()
	}
	return types.Some(uint64(max(ttl.Milliseconds(), 1)))
}

// Secret is one that plugin.toml asks for.
func Secret(name string) (string, error) { return value(gateway_plugin_secrets.Get(name)) }

// Call is a request to a service; plugin.toml asks for `http`.
type Call struct {
	Method string
	// URL is upstream://NAME/path?query, or absolute with an origin that is granted.
	URL     string
	Headers []Field
	Body    []byte
	// Timeout for the whole call; 0: what the exchange has left.
	Timeout time.Duration
}

// Result is what came of a call.
type Result struct {
	Answer Answer
	Err    error
}

// Get is a call of this URL.
func Get(url string) Call { return Call{Method: "GET", URL: url} }

// Fetch makes one call.
func Fetch(call Call) (Answer, error) {
	response, err := value(gateway_plugin_http.Fetch(call.lower()))
	return Answer{Status: response.Status, Headers: response.Headers, Body: response.Body}, err
}

// FetchAll makes several calls at once, at most 32; the results stand in the order of the calls.
func FetchAll(calls []Call) []Result {
	requests := make([]gateway_plugin_http.Request, len(calls))
	for at, call := range calls {
		requests[at] = call.lower()
	}
	results := make([]Result, 0, len(calls))
	for _, result := range gateway_plugin_http.FetchAll(requests) {
		response, err := value(result)
		results = append(results, Result{Answer{Status: response.Status, Headers: response.Headers, Body: response.Body}, err})
	}
	return results
}

func (call Call) lower() gateway_plugin_http.Request {
	timeout := types.None[uint32]()
	if call.Timeout > 0 {
		timeout = types.Some(uint32(max(call.Timeout.Milliseconds(), 1)))
	}
	return gateway_plugin_http.Request{Method: call.Method, Url: call.URL, Headers: call.Headers, Body: call.Body, Timeout: timeout}
}
