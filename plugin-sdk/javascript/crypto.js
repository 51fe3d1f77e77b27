// Signatures and passwords, verified natively; `plugin.toml` asks for `crypto`.
export { importKeys, verifyJws, verifyPassword } from 'gateway:plugin/crypto@0.1.0';
