import type { HostFunction } from './environment.ts'

export const fetchFunctionNameLength: HostFunction = {
  name: 'fetch_function_name_length',
  parameters: 0,
  returnsValue: true,
  call: ({ functionName }) => functionName.length,
}

/** `(pointer)`: writes the function name, without a terminator. */
export const fetchFunctionName: HostFunction = {
  name: 'fetch_function_name',
  parameters: 1,
  returnsValue: false,
  call(environment, pointer) {
    environment.write(pointer!, environment.functionName)
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
