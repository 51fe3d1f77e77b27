// Secrets; `plugin.toml` asks for `secrets`.
export { get } from 'gateway:plugin/secrets@0.1.0';
