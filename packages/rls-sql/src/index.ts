export { type ApplyOptions, type ApplyResult, applyInTransaction, applyLayer, lockLayer } from './apply.ts';
export { readSqlFiles, type SqlFile, sqlDirectory } from './files.ts';
export { setPassword } from './passwords.ts';
export { removeLayer } from './remove.ts';
export { assertVerified, type Finding, verifyLayer } from './verify.ts';
