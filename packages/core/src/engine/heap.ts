/** Something that has a weight, and its place in a {@link Heap}. */
export interface Weighed {
  weight: number
  place: number
}

/** Knows the heaviest of many, at the cost of a few looks whenever one changes. */
export class Heap<T extends Weighed> {
  /** None is heavier than the one at half its place. */
  readonly #items: T[] = []

  get heaviest(): T | undefined {
    return this.#items[0]
  }

  add(item: T): void {
    this.#put(item, this.#items.length)
    this.#rise(item)
  }

  /** The weight of one that was added is another now. */
  changed(item: T): void {
    this.#rise(item)
    this.#sink(item)
  }

  remove(item: T): void {
    const last = this.#items.pop()!
    if (last === item) return
    this.#put(last, item.place)
    this.changed(last)
  }

  #put(item: T, place: number): void {
    this.#items[place] = item
    item.place = place
  }

  #swap(one: T, other: T): void {
    const { place } = one
    this.#put(one, other.place)
    this.#put(other, place)
  }

  #rise(item: T): void {
    while (item.place > 0) {
      const above = this.#items[(item.place - 1) >> 1]!
      if (above.weight >= item.weight) return
      this.#swap(item, above)
    }
  }

  #sink(item: T): void {
    for (;;) {
      const [left, right] = [this.#items[2 * item.place + 1], this.#items[2 * item.place + 2]]
      const below = right !== undefined && right.weight > left!.weight ? right : left
      if (below === undefined || below.weight <= item.weight) return
      this.#swap(item, below)
    }
  }
}
