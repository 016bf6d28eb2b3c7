// The suites of `npm run bench`, in the order in which they run. Each is as measure.mjs says.
import { benchObservation } from './observation.mjs'
import { benchSandbox } from './sandbox.mjs'
import { benchStore } from './store.mjs'
import { benchTasks } from './tasks.mjs'
import { benchWire } from './wire.mjs'

export const suites = {
  wire: benchWire,
  observation: benchObservation,
  store: benchStore,
  tasks: benchTasks,
  sandbox: benchSandbox,
}
