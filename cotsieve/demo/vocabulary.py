"""Word-level tokenizer of the embedded demo models."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from cotsieve.demo import stories

LONGEST_SEQUENCE = 256
LARGEST_NUMBER = stories.LARGEST_RESULT
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>")
SYMBOLS = ("<<", ">>", "+", "-", "*", "/", "=", "#", ".", ",", "?", ":", "$")
ANSWER_WORDS = ("The", "answer", "is")
WORD_PATTERN = r"<<|>>|[0-9]+|[A-Za-z]+|[^\s]"


def template_words() -> list[str]:
    """Return every word that the story templates can produce, sorted."""
    splitter = pre_tokenizers.Split(Regex(WORD_PATTERN), "isolated")
    problems = stories.make_problems(20_000, seed=0)
    words = {
        piece.strip()
        for problem in problems
        for piece, _ in splitter.pre_tokenize_str(f"{problem.question} {problem.answer}")
    }
    return sorted(word for word in words if word.isalpha())


def build_tokenizer(extra_tokens: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """Build the tokenizer: integers 0..150, template words and symbols are one token each.

    Other numbers and words become ``<unk>``. Extra tokens are kept whole and come last.
    """
    numbers = [str(number) for number in range(LARGEST_NUMBER + 1)]
    entries = [*SPECIAL_TOKENS, *numbers, *SYMBOLS, *ANSWER_WORDS, *template_words()]
    vocabulary = {entry: index for index, entry in enumerate(dict.fromkeys(entries))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s+"), "removed"),
            pre_tokenizers.Split(Regex(WORD_PATTERN), "isolated"),
        ]
    )
    begin = vocabulary["<s>"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", begin)]
    )
    # The word-piece decoder puts one space between words and none before most punctuation; its
    # prefix never occurs. It leaves the colon alone, so that is attached afterwards.
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="@@", cleanup=True),
            decoders.Fuse(),
            decoders.Replace(" :", ":"),
        ]
    )
    tokenizer.add_tokens(list(extra_tokens))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=LONGEST_SEQUENCE,
    )
