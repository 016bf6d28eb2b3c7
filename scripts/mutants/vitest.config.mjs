import { relative } from 'node:path'
import { mergeConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import config from '../../vitest.config.ts'

/** The quickest test files first: one that fails spares the others. */
class QuickestFirst extends BaseSequencer {
  async sort(files) {
    const { cache, config } = this.ctx
    const duration = ({ project, moduleId }) =>
      cache.getFileTestResults(`${project.name}:${relative(config.root, moduleId)}`)?.duration ?? Infinity
    return files.toSorted((one, other) => duration(one) - duration(other) || 0)
  }
}

export default mergeConfig(config, { test: { sequence: { sequencer: QuickestFirst } } })
