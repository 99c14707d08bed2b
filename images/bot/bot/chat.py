"""The bot in Discord: it answers whoever mentions it."""

import discord

from bot.matching import UNKNOWN, Matcher


def client(matcher: Matcher) -> discord.Client:
    intents = discord.Intents.default()
    intents.message_content = True
    bot = discord.Client(intents=intents)

    @bot.event
    async def on_message(message: discord.Message) -> None:
        if message.author == bot.user or bot.user not in message.mentions:
            return
        question = message.content.replace(f"<@{bot.user.id}>", "")
        answer = matcher.answer(question)
        await message.reply(answer or UNKNOWN)

    return bot
