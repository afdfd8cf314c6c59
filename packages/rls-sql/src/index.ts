export {
  type Access,
  accessOf,
  type FunctionAccess,
  type PolicyText,
  type Privilege,
  type TableAccess,
} from './access.ts';
export {
  type ApplyOptions,
  type ApplyResult,
  applyInTransaction,
  applyLayer,
  lockLayer,
  retryContested,
} from './apply.ts';
export { type Drift, examineLayer, repairSql } from './doctor.ts';
export { readSqlFiles, type SqlFile, sqlDirectory } from './files.ts';
export { readLedger } from './ledger.ts';
export { setLoginPasswords } from './passwords.ts';
export { type Plan, type PlanStep, planLayer, planSql } from './plan.ts';
export { removeLayer } from './remove.ts';
export { ruleNames, rulesDirectory } from './rules.ts';
export { firstParentheses, textAfter } from './sql-text.ts';
export { type Node, namesOf, type Statement, statementsOf } from './statements.ts';
export { assertVerified, type Finding, verifyLayer } from './verify.ts';
