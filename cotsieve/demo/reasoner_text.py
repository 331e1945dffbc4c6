"""What the embedded reasoning model reads and writes, and its tokenizer."""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from cotsieve.answers.thinking import CLOSE, OPEN
from cotsieve.demo.stories import LARGEST_RESULT, Problem
from cotsieve.demo.vocabulary import SPECIAL_TOKENS, template_words
from cotsieve.interventions.prompts import INSTRUCTION, THOUGHTS

LONGEST_SEQUENCE = 512
LARGEST_NUMBER = LARGEST_RESULT + 10  # a result plus 7, as when an ablation alters it, is one token
FORCED_ANSWER = "\n\nThe final answer is \\boxed{"
STEP_STARTS = {"+": "That makes", "-": "That leaves", "*": "That is", "/": "Each part is"}

# Blanks belong to the piece before or behind them, so that a text is exactly its pieces in a row.
PATTERN = r" [-+*/=] |[0-9]+| ?\\boxed\{| ?[A-Za-z]+|\n\n|\n|[^\sA-Za-z0-9]| "
PIECES = (" + ", " - ", " * ", " / ", " = ", " ", "\n", "\n\n", " \\boxed{", "\\boxed{", *".,?:$}")


def chain(problem: Problem) -> list[str]:
    """The written reasoning: a sentence for every step, then one with the answer."""
    steps = [
        f"{STEP_STARTS[step.operator]} {step.left} {step.operator} {step.right} = {step.result}."
        for step in problem.steps
    ]
    return [*steps, f"So the answer is {problem.result}."]


def prompt(problem: Problem) -> str:
    """The question up to and with the line end behind the opening tag, instruction included."""
    return f"{problem.question}{INSTRUCTION} {OPEN}\n"


def thought(problem: Problem) -> str:
    """The reasoning as it stands between the tags, its line end included."""
    return "".join(f"{sentence}\n" for sentence in chain(problem))


def answer(number: int) -> str:
    """What is written behind the closing tag, without the end token."""
    return f"{FORCED_ANSWER}{number}}}."


def build_text_tokenizer() -> PreTrainedTokenizerFast:
    """Build a tokenizer that gives every text back exactly.

    Integers 0..160 are one token each, words of the stories and prompts one with the blank before
    them and one without. What is not in the vocabulary becomes the bytes of its characters; a
    larger number becomes several tokens, which no demo text has.
    """
    texts = [INSTRUCTION, *filter(None, THOUGHTS.values()), *STEP_STARTS.values(), FORCED_ANSWER]
    splitter = pre_tokenizers.Split(Regex("[A-Za-z]+"), "removed", invert=True)
    written = {word for text in texts for word, _ in splitter.pre_tokenize_str(text)}
    words = sorted({*template_words(), *written, "So"} - {"boxed"})
    numbers = [str(number) for number in range(LARGEST_NUMBER + 1)]
    pieces = [*numbers, *PIECES, *words, *(f" {word}" for word in words)]
    # The best split has the highest sum of scores, so that of equal pieces is the shortest.
    entries = [(token, 0.0) for token in SPECIAL_TOKENS]
    entries += [(piece, -1.0) for piece in dict.fromkeys(pieces)]
    entries += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(entries, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    # Not special: decoding keeps the tags, which mark where the reasoning ends.
    tokenizer.add_tokens(
        [AddedToken(tag, normalized=False, special=False) for tag in (OPEN, CLOSE)]
    )
    begin = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", begin)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=LONGEST_SEQUENCE,
        clean_up_tokenization_spaces=False,
    )
