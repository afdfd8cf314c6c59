import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Group, Result } from './result.ts';

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 900;
const LABELS = 270;
const BAR = 34;
const HEAD = 44;
const FOOT = 40;
const LEGEND = 36;
const CURVE = 150;
const CURVE_LABELS = 70;

/**
 * The medians and 95th percentiles of each group in one SVG: as bars, or as curves where the contenders are one thing
 * in several sizes.
 */
export function chart({ benchmark, groups }: Pick<Result, 'benchmark' | 'groups'>): string {
  const heights = groups.map((group) => HEAD + heightOf(group) + FOOT);
  const tops = heights.map((_, index) =>
    heights.slice(0, index).reduce((sum, height) => sum + height, LEGEND),
  );
  const drawing = init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: WIDTH,
    height: heights.reduce((sum, height) => sum + height, LEGEND),
  });
  try {
    drawing.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      legend: { top: 8, data: ['p50', 'p95'] },
      title: groups.map(({ title, unit }, index) => ({
        text: `${title} (${unit})`,
        left: 12,
        top: (tops[index] ?? 0) + 12,
        textStyle: { fontSize: 14 },
      })),
      grid: groups.map((group, index) => ({
        left: isCurve(group) ? CURVE_LABELS : LABELS,
        right: 40,
        top: (tops[index] ?? 0) + HEAD,
        height: heightOf(group),
      })),
      xAxis: groups.map((group, gridIndex) => ({ ...(isCurve(group) ? SIZES : VALUES), gridIndex })),
      yAxis: groups.map((group, gridIndex) => ({ ...(isCurve(group) ? VALUES : namesOf(group)), gridIndex })),
      series: groups.flatMap((group, index): object[] => (isCurve(group) ? curves : bars)(group, index)),
    });
    return picture(drawing.renderToSVGString(), `Benchmark ${benchmark}: medians and 95th percentiles`);
  } finally {
    drawing.dispose();
  }
}

/** An SVG that has a name, and no styles for a mouse: there is none over a picture in a page. */
const picture = (svg: string, title: string): string =>
  `${svg
    .replace(/<style\b.*?<\/style>\s*/gs, '')
    .replace(/ class="[^"]*"/g, '')
    .replace(/^<svg[^>]*>/, (tag) => `${tag}\n<title>${title}</title>`)}\n`;

const isCurve = ({ contenders }: Group): boolean => contenders.every(({ size }) => size !== undefined);

const heightOf = (group: Group): number => (isCurve(group) ? CURVE : group.contenders.length * BAR);

const VALUES = { type: 'value' } as const;

const SIZES = {
  type: 'log',
  min: 'dataMin',
  max: 'dataMax',
  axisLabel: { formatter: (size: number) => size.toLocaleString('en') },
} as const;

const namesOf = ({ contenders }: Group) =>
  ({
    type: 'category',
    inverse: true,
    data: contenders.map(({ name }) => name),
    axisLabel: { width: LABELS - 20, overflow: 'truncate' },
  }) as const;

const COLOURS = { p50: '#2f5fd0', p95: '#b7c8f2' } as const;
const FIGURES = ['p50', 'p95'] as const;

const curves = ({ contenders }: Group, index: number) =>
  FIGURES.map((name) => ({
    type: 'line',
    name,
    xAxisIndex: index,
    yAxisIndex: index,
    color: COLOURS[name],
    data: contenders.map((contender) => [contender.size, contender[name]]),
  }));

const bars = ({ contenders }: Group, index: number) =>
  FIGURES.map((name) => ({
    type: 'bar',
    name,
    xAxisIndex: index,
    yAxisIndex: index,
    color: COLOURS[name],
    data: contenders.map((contender) => contender[name]),
  }));
