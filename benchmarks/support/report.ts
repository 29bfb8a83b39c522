/** Reports: the figures of a benchmark as JSON, and beside it as a chart. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EChartsOption, init } from 'echarts'

export interface Chart {
  readonly title: string
  /** What is compared; the groups of bars. */
  readonly groups: readonly string[]
  /** One below the other. */
  readonly panels: readonly Panel[]
}

/** Bars on a scale of their own, which is logarithmic. */
export interface Panel {
  /** With the unit. */
  readonly label: string
  /** One value a group; null where there is none. */
  readonly bars: ReadonlyArray<{
    readonly name: string
    readonly values: ReadonlyArray<number | null>
  }>
}

const WIDTH = 960
const PANEL_HEIGHT = 340
const TOP = 90
const GAP = 70

/**
 * Writes `NAME.json` and `NAME.svg` into a folder, which is made if need be.
 * @returns the paths of the two
 */
export function writeReport(
  folder: string,
  name: string,
  result: object,
  chart: Chart,
): readonly string[] {
  mkdirSync(folder, { recursive: true })
  const files = [
    [join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`],
    [join(folder, `${name}.svg`), draw(chart)],
  ] as const
  for (const [path, text] of files) writeFileSync(path, text)
  return files.map(([path]) => path)
}

/** The chart as the text of an SVG file. */
export function draw(chart: Chart): string {
  const height = TOP + chart.panels.length * (PANEL_HEIGHT + GAP)
  const drawn = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  try {
    drawn.setOption(optionOf(chart))
    return drawn.renderToSVGString()
  } finally {
    drawn.dispose()
  }
}

function optionOf({ title, groups, panels }: Chart): EChartsOption {
  return {
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, left: 'center', top: 10 },
    legend: { top: 45 },
    grid: panels.map((_, index) => ({
      left: 90,
      right: 30,
      top: TOP + index * (PANEL_HEIGHT + GAP),
      height: PANEL_HEIGHT,
    })),
    xAxis: panels.map((_, gridIndex) => ({
      type: 'category',
      gridIndex,
      data: [...groups],
      axisLabel: { interval: 0 },
    })),
    yAxis: panels.map(({ label }, gridIndex) => ({ type: 'log', gridIndex, name: label })),
    series: panels.flatMap(({ bars }, index) =>
      bars.map(({ name, values }) => ({
        type: 'bar' as const,
        name,
        xAxisIndex: index,
        yAxisIndex: index,
        data: [...values],
      })),
    ),
  }
}
