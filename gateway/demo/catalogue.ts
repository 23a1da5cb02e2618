// What 河畔书店 · Riverside Books & Tea sells. The shop, every title and every maker are invented.
import type { genres } from '../operations/dp-query.ts';

type Genre = (typeof genres)[number];
export const shelves = ['Books', 'Tea', 'Stationery', 'Home'] as const;
export type Shelf = (typeof shelves)[number];

/** A group of things one kind of customer likes; people are made of two of them. */
export const tastes = ['poetry', 'mystery', 'far-worlds', 'history', 'family', 'tea-table', 'desk'] as const;
export type Taste = (typeof tastes)[number];

export interface Product {
  readonly key: string;
  readonly zh: string;
  readonly en: string;
  readonly shelf: Shelf;
  /** Of the public list that private counts group by. */
  readonly genres: readonly Genre[];
  readonly taste: Taste;
  /** Yuan. */
  readonly price: number;
}

function books(
  taste: Taste,
  rows: readonly (readonly [string, string, string, number, ...Genre[]])[],
): Product[] {
  return rows.map(([key, zh, en, price, ...named]) => ({
    key,
    zh,
    en,
    shelf: 'Books',
    genres: named,
    taste,
    price,
  }));
}

function goods(
  shelf: Shelf,
  taste: Taste,
  rows: readonly (readonly [string, string, string, number])[],
): Product[] {
  return rows.map(([key, zh, en, price]) => ({ key, zh, en, shelf, genres: [], taste, price }));
}

export const catalogue: readonly Product[] = [
  ...books('poetry', [
    ['b-spring-verses', '春日短歌', 'Spring Verses', 42, 'Romance', 'Drama'],
    ['b-salt-and-reeds', '盐与芦苇', 'Salt and Reeds', 45, 'Drama'],
    ['b-letters-unsent', '未寄的信', 'Letters Unsent', 39, 'Romance'],
    ['b-ferry-hour', '渡船时刻', 'The Ferry Hour', 48, 'Drama'],
    ['b-plum-rain', '梅雨', 'Plum Rain', 36, 'Romance', 'Drama'],
    ['b-songs-for-a-kettle', '水壶之歌', 'Songs for a Kettle', 40, 'Comedy', 'Musical'],
    ['b-a-window-of-snow', '一窗雪', 'A Window of Snow', 44, 'Drama'],
    ['b-walking-slowly', '慢慢走', 'Walking Slowly', 38, 'Documentary'],
  ]),
  ...books('mystery', [
    ['b-the-ninth-lantern', '第九盏灯', 'The Ninth Lantern', 52, 'Mystery', 'Crime'],
    ['b-ink-on-the-stairs', '楼梯上的墨迹', 'Ink on the Stairs', 49, 'Mystery'],
    ['b-last-tram-north', '末班北行', 'Last Tram North', 47, 'Thriller', 'Crime'],
    ['b-the-quiet-lodger', '沉默的房客', 'The Quiet Lodger', 46, 'Mystery', 'Thriller'],
    ['b-fog-ledger', '雾中账簿', 'The Fog Ledger', 55, 'Crime', 'Film-Noir'],
    ['b-well-of-echoes', '回声井', 'Well of Echoes', 50, 'Horror', 'Mystery'],
    ['b-the-missing-seal', '失踪的印章', 'The Missing Seal', 43, 'Mystery', 'Comedy'],
    ['b-harbour-witness', '港口证人', 'Harbour Witness', 51, 'Crime', 'Drama'],
  ]),
  ...books('far-worlds', [
    ['b-orchard-on-europa', '木卫二果园', 'An Orchard on Europa', 58, 'Sci-Fi', 'Adventure'],
    ['b-the-tide-machine', '潮汐机器', 'The Tide Machine', 56, 'Sci-Fi'],
    ['b-cartographer-of-clouds', '云的制图师', 'Cartographer of Clouds', 54, 'Fantasy', 'Adventure'],
    ['b-seven-small-gods', '七个小神', 'Seven Small Gods', 53, 'Fantasy'],
    ['b-signal-from-the-well', '井底信号', 'Signal from the Well', 57, 'Sci-Fi', 'Thriller'],
    ['b-the-glass-steppe', '玻璃草原', 'The Glass Steppe', 59, 'Fantasy', 'Western'],
    ['b-nobodys-satellite', '无主卫星', 'Nobody’s Satellite', 48, 'Sci-Fi', 'Comedy'],
  ]),
  ...books('history', [
    ['b-salt-road', '盐路', 'The Salt Road', 68, 'Documentary', 'Adventure'],
    ['b-ten-bridges', '十座桥', 'Ten Bridges', 72, 'Documentary'],
    ['b-the-weavers-year', '织工的一年', 'The Weaver’s Year', 64, 'Documentary', 'Drama'],
    ['b-winter-garrison', '冬日驻军', 'Winter Garrison', 61, 'War', 'Drama'],
    ['b-paper-and-fire', '纸与火', 'Paper and Fire', 66, 'Documentary', 'War'],
    ['b-river-of-accounts', '账目之河', 'A River of Accounts', 70, 'Documentary'],
    ['b-the-old-observatory', '旧天文台', 'The Old Observatory', 63, 'Documentary', 'Mystery'],
  ]),
  ...books('family', [
    ['b-bear-opens-a-shop', '小熊开店', 'Bear Opens a Shop', 32, "Children's", 'Comedy'],
    ['b-the-moon-forgot', '月亮忘了', 'The Moon Forgot', 34, "Children's", 'Fantasy'],
    ['b-grandmas-dumplings', '外婆的饺子', 'Grandma’s Dumplings', 30, "Children's"],
    ['b-the-boat-that-hummed', '会哼歌的船', 'The Boat That Hummed', 35, "Children's", 'Musical'],
    ['b-draw-a-dragon', '画一条龙', 'Draw a Dragon', 28, "Children's", 'Animation'],
    ['b-rainy-day-science', '雨天科学', 'Rainy-Day Science', 39, "Children's", 'Documentary'],
    ['b-the-great-pigeon-race', '鸽子大赛', 'The Great Pigeon Race', 33, "Children's", 'Action'],
    ['b-goodnight-river', '晚安，河流', 'Goodnight, River', 31, "Children's"],
  ]),
  ...goods('Tea', 'tea-table', [
    ['t-jasmine-morning', '茉莉清晨', 'Jasmine Morning', 58],
    ['t-cloud-mist-green', '云雾绿茶', 'Cloud-Mist Green', 88],
    ['t-old-tree-puer', '老树普洱', 'Old-Tree Pu’er', 128],
    ['t-osmanthus-oolong', '桂花乌龙', 'Osmanthus Oolong', 76],
    ['t-smoked-black', '烟熏红茶', 'Smoked Black', 69],
    ['t-white-peony', '白牡丹', 'White Peony', 98],
    ['t-chrysanthemum', '杭菊', 'Chrysanthemum Flowers', 36],
    ['t-buckwheat', '苦荞茶', 'Toasted Buckwheat', 29],
    ['t-ginger-jujube', '姜枣茶', 'Ginger and Jujube', 42],
    ['t-sampler-of-nine', '九味小样', 'Sampler of Nine', 99],
  ]),
  ...goods('Home', 'tea-table', [
    ['h-celadon-cup', '青瓷杯', 'Celadon Cup', 86],
    ['h-clay-teapot', '紫砂小壶', 'Small Clay Teapot', 268],
    ['h-bamboo-tray', '竹茶盘', 'Bamboo Tray', 118],
    ['h-linen-runner', '亚麻桌旗', 'Linen Runner', 95],
    ['h-reading-lamp', '阅读灯', 'Reading Lamp', 189],
    ['h-wool-throw', '羊毛盖毯', 'Wool Throw', 239],
    ['h-incense-cedar', '雪松线香', 'Cedar Incense', 49],
  ]),
  ...goods('Stationery', 'desk', [
    ['s-grid-notebook', '方格笔记本', 'Grid Notebook', 26],
    ['s-ink-stone-grey', '石灰墨水', 'Stone-Grey Ink', 59],
    ['s-steel-nib-pen', '钢尖蘸水笔', 'Steel-Nib Pen', 46],
    ['s-letter-paper', '信笺', 'Letter Paper', 32],
    ['s-wax-and-seal', '火漆与印章', 'Wax and Seal', 78],
    ['s-brush-goat-hair', '羊毫笔', 'Goat-Hair Brush', 54],
    ['s-rice-paper-roll', '宣纸卷', 'Rice-Paper Roll', 48],
    ['s-pencil-dozen', '一打铅笔', 'A Dozen Pencils', 24],
    ['s-page-markers', '书签组', 'Page Markers', 18],
    ['s-week-planner', '周历', 'Week Planner', 38],
    ['s-linen-pencil-case', '亚麻笔袋', 'Linen Pencil Case', 44],
    ['s-canvas-book-bag', '帆布书袋', 'Canvas Book Bag', 69],
    ['s-postcards-bridges', '明信片·桥', 'Postcards: Bridges', 22],
  ]),
];

/** As it stands on the shelf, in both languages. */
export function titleOf({ zh, en }: Pick<Product, 'zh' | 'en'>): string {
  return `${zh} · ${en}`;
}
