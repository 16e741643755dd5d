"""What the app asks of a phone, on a desktop: nothing covers it, and it trusts whom it should."""

import os
import ssl
from pathlib import Path

import certifi
import pytest
from kivy.clock import Clock

from app import fonts, phone


def test_on_a_desktop_nothing_covers_the_window() -> None:
    assert not phone.is_phone()
    assert phone.insets() == (0.0, 0.0, 0.0, 0.0)


def test_who_watches_the_edges_is_told_at_once_and_on_a_desktop_only_once() -> None:
    told: list[phone.Edges] = []
    before = len(Clock.get_events())
    phone.watch(told.append)
    assert told == [phone.NONE]
    assert len(Clock.get_events()) == before


def test_a_desktop_leaves_no_app_by_a_back_button() -> None:
    assert phone.leave() is False


def test_a_desktops_folders_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    home = os.environ.get("HOME")
    phone.settle()
    assert os.environ.get("HOME") == home
    assert "XDG_DATA_HOME" not in os.environ


def test_where_the_system_has_no_certificates_those_of_certifi_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 0
    phone.settle()
    assert os.environ["SSL_CERT_FILE"] == certifi.where()
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 50


def test_the_certificates_that_somebody_names_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", own := certifi.where())
    phone.settle()
    assert os.environ["SSL_CERT_FILE"] == own


def test_the_fonts_of_a_bundle_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "BUNDLED", tmp_path)
    monkeypatch.setenv("HONGYAN_FONT", "")
    monkeypatch.delenv("HONGYAN_FONT")
    assert fonts._bundled() is None
    regular, bold = tmp_path / "HongyanHan-Regular.otf", tmp_path / "HongyanHan-Bold.otf"
    regular.touch()
    assert fonts._bundled() is None
    bold.touch()
    assert fonts._bundled() == (regular, bold)
    assert os.environ["HONGYAN_FONT"] == str(regular)
