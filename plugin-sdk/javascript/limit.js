// Budgets that requests take from; `plugin.toml` asks for `limit`.
export { take, charge } from 'gateway:plugin/limit@0.1.0';
