module aggregator

go 1.25

require gateway.local/plugin v0.1.0

replace gateway.local/plugin => ./.gateway/sdk/go
