export {
  type ContractState,
  decodeState,
  encodeState,
  initialState,
  isInitial,
  nextDeltaIndex,
  openState,
  sealState,
} from './contractState.ts'
export { applyDelta, type Delta, decodeDelta, encodeDelta, openDelta, sealDelta } from './delta.ts'
export { diff } from './diff.ts'
export { StateError, type StateErrorCode } from './errors.ts'
export { grow } from './extent.ts'
export {
  compareKeys,
  equalJson,
  JsonFloat,
  type JsonObject,
  type JsonValue,
  maxJsonDepth,
  maxStateDepth,
} from './json.ts'
export { encodeJson } from './jsonEncoder.ts'
export { jsonLength, memberSize, structureSize } from './jsonLength.ts'
export { readJson, writeJson } from './jsonMsgPack.ts'
export { JsonDepthError, parseJson } from './jsonParser.ts'
export { applyPatch, type Operation, type Patch } from './patch.ts'
export type { StateAccess } from './stateAccess.ts'
export { StateOverlay } from './stateOverlay.ts'
