import { useState } from 'preact/hooks'
import { type ContractRow, getContracts } from '../api.ts'
import { formatBytes, formatCount } from '../format.ts'
import { storeChanges } from '../live.ts'
import { useLoad } from '../load.ts'
import { AddressLink, Copy, Empty, Hex, KeyHeld, None, Tip } from '../parts.tsx'
import { go, link, route } from '../route.ts'

const pageSize = 50

export function Contracts() {
  const { query } = route.value
  const search = query.get('search') ?? ''
  const after = query.get('after') ?? ''
  const { data, error } = useLoad(
    // What is no hex is in no address.
    async (signal) =>
      /^[0-9a-f]*$/.test(search)
        ? await getContracts({ search, after, limit: pageSize }, signal)
        : { contracts: [], total: 0, next: undefined },
    `${search} ${after}`,
    [storeChanges.value],
  )
  // Pages know only what comes next; the way back is remembered.
  const [back, setBack] = useState<readonly string[]>([])
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Contracts</h1>
        {data && (
          <p class="lead">
            {formatCount(data.total)} {search ? `with ${search} in the address` : 'in address order'}
          </p>
        )}
      </div>
      {error && <Empty title="The contracts cannot be read.">{error.message}</Empty>}
      {data && data.contracts.length > 0 && <ContractTable contracts={data.contracts} />}
      {data?.contracts.length === 0 &&
        (search ? (
          <Empty title="No contract has that in its address.">
            <a href={link('contracts')}>Show all contracts</a>
          </Empty>
        ) : (
          <Empty title="No contracts yet.">
            Deploy one: <code>npx bletchley deploy contracts/ledger/build/ledger.wasm …</code>, or let a p2p node bring
            them.
          </Empty>
        ))}
      {data && (after || data.next) && (
        <nav class="pages" aria-label="Pages">
          <button
            type="button"
            class="action"
            disabled={!after}
            onClick={() => {
              go(link('contracts', { search, after: back.at(-1) }))
              setBack(back.slice(0, -1))
            }}
          >
            {after && back.length === 0 ? 'First page' : 'Previous'}
          </button>
          <button
            type="button"
            class="action"
            disabled={!data.next}
            onClick={() => {
              setBack([...back, after])
              go(link('contracts', { search, after: data.next }))
            }}
          >
            Next
          </button>
        </nav>
      )}
    </>
  )
}

const ContractTable = ({ contracts }: { contracts: readonly ContractRow[] }) => (
  <div class="card">
    <table>
      <thead>
        <tr>
          <th scope="col">Address</th>
          <th scope="col" class="wide">
            Code hash
          </th>
          <th scope="col" class="number">
            Deltas
          </th>
          <th scope="col" class="wide">
            Tip
          </th>
          <th scope="col" class="number wide">
            Bytes of deltas
          </th>
          <th scope="col">State key</th>
        </tr>
      </thead>
      <tbody>
        {contracts.map((contract) => (
          <tr key={contract.address}>
            <td class="hex">
              <AddressLink address={contract.address} head={10} tail={8} />
              <Copy text={contract.address} what={`address ${contract.address.slice(0, 8)}`} />
            </td>
            <td class="wide">{contract.codeHash === undefined ? <None /> : <Hex hex={contract.codeHash} />}</td>
            <td class="number">{formatCount(contract.deltas)}</td>
            <td class="wide">
              <Tip contract={contract} />
            </td>
            <td class="number wide">{contract.deltaBytes === undefined ? '…' : formatBytes(contract.deltaBytes)}</td>
            <td>
              <KeyHeld held={contract.keyHeld} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)
