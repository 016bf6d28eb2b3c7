import type { HostFunction } from './environment.ts'

/** `(amount)`: the contract charges itself. */
export const gas: HostFunction = {
  name: 'gas',
  parameters: 1,
  returnsValue: false,
  call(environment, amount) {
    environment.gas.charge(amount!)
    return undefined
  },
}
