// Whether a core would get the address space that it needs, for those who look whether it could start.
export { type AddressSpace, checkAddressSpace, roomForMemories } from '../engine/addressSpace.ts'
