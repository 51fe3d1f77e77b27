module gateway.local/plugin

go 1.25
