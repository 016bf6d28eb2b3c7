export { type Principal, type PrincipalOptions, startPrincipal } from './principal.ts'
export { defaultLimits, type RateLimits } from './rateLimits.ts'
