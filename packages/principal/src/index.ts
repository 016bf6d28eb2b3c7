export { type Principal, type PrincipalOptions, startPrincipal } from './principal.ts'
