import type { Handlers } from '@bletchley/protocol'
import { computeTask } from './computeTask.ts'
import { deploySecretContract } from './deploySecretContract.ts'
import { getAllAddrs } from './getAllAddrs.ts'
import { getAllTips } from './getAllTips.ts'
import { getContract } from './getContract.ts'
import { getDelta } from './getDelta.ts'
import { getDeltas } from './getDeltas.ts'
import { getPttRequest } from './getPttRequest.ts'
import { getRegistrationParams } from './getRegistrationParams.ts'
import { getTip } from './getTip.ts'
import { getTips } from './getTips.ts'
import type { RequestContext } from './handler.ts'
import { newTaskEncryptionKey } from './newTaskEncryptionKey.ts'
import { pttResponse } from './pttResponse.ts'
import { removeContract } from './removeContract.ts'
import { removeDeltas } from './removeDeltas.ts'
import { updateDeltas } from './updateDeltas.ts'
import { updateNewContract } from './updateNewContract.ts'
import { updateNewContractOnDeployment } from './updateNewContractOnDeployment.ts'

/** The handler of every message; a missing one does not compile. */
export const handlers: Handlers<RequestContext> = {
  GetRegistrationParams: getRegistrationParams,
  GetTip: getTip,
  GetTips: getTips,
  GetAllTips: getAllTips,
  GetAllAddrs: getAllAddrs,
  GetDelta: getDelta,
  GetDeltas: getDeltas,
  GetContract: getContract,
  UpdateNewContract: updateNewContract,
  UpdateNewContractOnDeployment: updateNewContractOnDeployment,
  RemoveContract: removeContract,
  UpdateDeltas: updateDeltas,
  RemoveDeltas: removeDeltas,
  GetPTTRequest: getPttRequest,
  PTTResponse: pttResponse,
  NewTaskEncryptionKey: newTaskEncryptionKey,
  DeploySecretContract: deploySecretContract,
  ComputeTask: computeTask,
}
