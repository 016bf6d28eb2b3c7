import type { HostFunction } from './environment.ts'

const utf8 = new TextEncoder()

export const fetchFunctionNameLength: HostFunction = {
  name: 'fetch_function_name_length',
  parameters: 0,
  returnsValue: true,
  call: ({ invocation }) => utf8.encode(invocation.functionName).length,
}

/** `(pointer)`: writes the function name, without a terminator. */
export const fetchFunctionName: HostFunction = {
  name: 'fetch_function_name',
  parameters: 1,
  returnsValue: false,
  call(environment, pointer) {
    environment.write(pointer!, utf8.encode(environment.invocation.functionName))
    return undefined
  },
}

export const fetchArgsLength: HostFunction = {
  name: 'fetch_args_length',
  parameters: 0,
  returnsValue: true,
  call: ({ invocation }) => invocation.args.length,
}

/** `(pointer)`: writes the arguments. */
export const fetchArgs: HostFunction = {
  name: 'fetch_args',
  parameters: 1,
  returnsValue: false,
  call(environment, pointer) {
    environment.write(pointer!, environment.invocation.args)
    return undefined
  },
}
