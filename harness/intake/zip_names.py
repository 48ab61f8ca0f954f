"""Reads the names in a zip, also where it doesn't tell their encoding: in the likeliest code page for all of them.

A name is UTF-8 where its flag says so (APPNOTE 6.3.10, bit 11) or where Info-ZIP's Unicode Path field (0x7075) fits its
checksum. Other names are bytes in the code page of the machine that packed them. All of an archive's names come from
one machine, so they are judged together: strict UTF-8 first, then each code page by the sum of rough costs, in bits, of
the characters that it reads. Common letters of one script cost little; box drawings, and two scripts in one word, much.
"""

from __future__ import annotations

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
_JUDGED = 20_000
"""Characters of names that are judged; more would not change the verdict."""

_CHINESE = frozenset(
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之"
    "都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法"
    "间斯知世什两次使身者被高已亲其进此话常与活正感模型业报告实验深度习数据训练结果测试提交终版新建文件夹副本代码图像对抗网"
    "络编码器流量姓号班级组课程机智工程序说明参考最优权重成员目录包压缩三四五六七八九十二零解答题目三张王李刘陈杨赵黄周吴徐孙"
    "马朱胡郭何林罗郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余杜叶程魏苏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦方白邹孟熊秦邱江"
)
_TRADITIONAL = frozenset(
    "的一是了我不人在他有這個上們來到時大地為子中你說生國年著就那和要出也得裡後自以會家可下而過天去能對小多然於心學之都好看"
    "起發當沒成只如事把還用第樣道想作種開總從無情面最女但現前所同日手又行意動方期頭經長回位分愛老因名法間知世兩次使身者高已其"
    "進與活正感模型業報告實驗深度習資料數據訓練結果測試提交終版新增夾副本程式碼圖像對抗網路編器流量姓號班級組課機智工序說明檔案"
)
_JAPANESE = frozenset(
    "日一国会人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校"
    "語土木聞食車何南万毎白天母火右読友左休父雨提出課題報告最終版機械深層習実験結果模型生成画像資料作業用新規更新田中佐藤鈴木"
)
_KOREAN = frozenset(
    "이가다는을의에를은로하고한지서기사도아어리나대시정자인수스해부일전제라보주구그과공원상장동경성유국세조물여조관안소계선문"
    "우들내개발생방비차연신만무회실용분등중학현재마오영통체단화산음면치력형모델고서험결습데터최종출코드생복본름번딥러닝심층트파"
    "김박최강조윤임한오황송류홍폴더새숙습압축알집업로미디민준혁호진은희"
)
_WESTERN = frozenset("äöüßéèêëàâçîïôùûñáíóúìòåæøœãõÄÖÜÉÈÀÇÑÅØÁÓÚÊ")
_CENTRAL = frozenset("ąćęłńśźżčďěňřšťůžýőűășțđĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŮŽÝŐŰ")


@dataclass(frozen=True)
class CodePage:
    """One encoding that names may be in."""

    codec: str
    title: str
    handicap: int = 0
    """Bits that it has to be cheaper by: how seldom archives of students are in it."""
    common: frozenset[str] = frozenset()
    """Frequent characters, for scripts of thousands of characters."""
    usual: tuple[int, int] = (0, 0)
    """First and last lead byte of the characters that its standard lists as the common ones."""


CODE_PAGES = (
    CodePage("utf-8", "UTF-8", -8),
    CodePage("gbk", "GBK (Chinese)", 0, _CHINESE, (0xB0, 0xD7)),
    CodePage("cp932", "Shift-JIS (Japanese)", 0, _JAPANESE, (0x88, 0x97)),
    CodePage("cp950", "Big5 (traditional Chinese)", 2, _TRADITIONAL, (0xA4, 0xC6)),
    CodePage("cp949", "EUC-KR (Korean)", 2, _KOREAN, (0xB0, 0xC8)),
    CodePage("cp437", "code page 437 (DOS)"),
    CodePage("cp850", "code page 850 (Western Europe)"),
    CodePage("cp852", "code page 852 (Central Europe)", 3),
    CodePage("cp866", "code page 866 (Cyrillic)", 2),
    CodePage("cp1252", "Windows-1252 (Western Europe)", 3),
    CodePage("cp1250", "Windows-1250 (Central Europe)", 5),
    CodePage("cp1251", "Windows-1251 (Cyrillic)", 8),
)
"""In the order in which equal ones are preferred."""


@dataclass(frozen=True)
class Names:
    """The names of a zip, as text, with what was assumed."""

    names: tuple[str, ...]
    """With forward slashes, in the order of the entries."""
    guessed: frozenset[int]
    """Entries whose names were read in a code page that the zip doesn't tell, UTF-8 aside."""
    page: CodePage
    slashed: frozenset[int]
    """Entries whose names had backslashes, as PowerShell's have; these became forward slashes."""


def names_of(entries: Sequence[zipfile.ZipInfo]) -> Names:
    """Read the names of a zip's entries, as `zipfile` lists them without a metadata encoding of one's own."""
    told: dict[int, str] = {}
    untold: dict[int, bytes] = {}
    for place, entry in enumerate(entries):
        if entry.flag_bits & UTF8_FLAG or entry.orig_filename.isascii():
            told[place] = entry.orig_filename
            continue
        raw = entry.orig_filename.encode("cp437")
        if (unicode_path := _unicode_path(entry.extra, raw)) is not None:
            told[place] = unicode_path
        else:
            untold[place] = raw
    page = code_page(list(untold.values()))
    told |= {place: raw.decode(page.codec) for place, raw in untold.items()}
    names = [told[place] for place in range(len(entries))]
    return Names(
        tuple(name.replace("\\", "/") for name in names),
        frozenset() if page.codec == "utf-8" else frozenset(untold),
        page,
        frozenset(place for place, name in enumerate(names) if "\\" in name),
    )


def code_page(names: Sequence[bytes]) -> CodePage:
    """Return the code page that names, each of which holds a byte above 127, are most likely in."""
    able = {page: texts for page in CODE_PAGES if (texts := _decoded(names, page.codec)) is not None}
    if not names:
        return CODE_PAGES[0]
    costs = {page: page.handicap + _cost(texts, page) for page, texts in able.items()}
    return min(costs, key=lambda page: costs[page])


def _decoded(names: Sequence[bytes], codec: str) -> list[str] | None:
    try:
        return [name.decode(codec) for name in names]
    except UnicodeDecodeError:
        return None


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Return the name in Info-ZIP's field 0x7075: version 1, the CRC-32 of the plain name, the name in UTF-8."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        content = extra[at + 4 : at + 4 + size]
        at += 4 + size
        if kind != _UNICODE_PATH or len(content) != size or size < 6 or content[0] != 1:
            continue
        if int.from_bytes(content[1:5], "little") != zlib.crc32(raw):
            continue
        try:
            return content[5:].decode()
        except UnicodeDecodeError:
            continue
    return None


def _cost(names: Sequence[str], page: CodePage) -> int:
    """Calculate roughly how many bits the names take; names that are there more than once count once."""
    total = judged = 0
    for part in dict.fromkeys(part for name in names for part in name.split("/")):
        if part.isascii():
            continue
        judged += len(part)
        if judged > _JUDGED:
            break
        before = ""
        for character in unicodedata.normalize("NFC", part) if page.codec == "utf-8" else part:
            total += _character(character, page) + _between(before, character)
            before = character
    return total


def _character(character: str, page: CodePage) -> int:
    if character.isascii():
        return 4 if character.isalnum() or character in " ._-()" else 25 if not character.isprintable() else 7
    if character in page.common:
        return 5
    match _script(character):
        case "han" | "hangul" as script:
            if page.codec == "utf-8":
                return 5
            lead = character.encode(page.codec)[0]
            usual = page.usual[0] <= lead <= page.usual[1] and (script == "hangul") == (page.codec == "cp949")
            return 13 if usual else 16
        case "kana":
            return (5 if page.codec in ("cp932", "utf-8") else 9) if ord(character) < 0xFF00 else 12
        case "latin":
            return 6 if character in _WESTERN else 7 if character in _CENTRAL else 10
        case "cyrillic":
            plain = "а" <= character.lower() <= "я" or character in "ёЁ"
            return 5 if plain else 9 if page.codec == "utf-8" else 12
        case "other":
            return 9 if page.codec == "utf-8" else 12
    if 0x3000 <= ord(character) <= 0x303F or 0xFF00 <= ord(character) <= 0xFF5E:
        return 11
    return 9 if page.codec == "utf-8" else 25 if unicodedata.category(character)[0] == "C" else 16


def _between(before: str, character: str) -> int:
    """Return the cost of one character after another: of a script or case that changes within a word."""
    first, second = _script(before), _script(character)
    if not first or not second:
        return 0
    cost = 0
    if first != second and {first, second} not in ({"han", "kana"}, {"latin", "kana"}):
        cost += 5
    if before.islower() and character.isupper() and not (before.isascii() and character.isascii()):
        cost += 6
    if first == second == "latin" and not before.isascii() and not character.isascii():
        cost += 4
    return cost


def _script(character: str) -> str:
    """Return the script of a letter, and nothing for any other character."""
    if not character.isalpha():
        return ""
    code = ord(character)
    if code < 0x250:
        return "latin" if character not in "ªºµ" else ""
    if 0x400 <= code <= 0x52F:
        return "cyrillic"
    if 0x3040 <= code <= 0x30FF or 0xFF66 <= code <= 0xFF9F:
        return "kana"
    if 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF:
        return "han"
    return "hangul" if 0xAC00 <= code <= 0xD7A3 else "other"
